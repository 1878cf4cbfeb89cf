//! `heatseal sbom`: a bill of materials from the lock.

use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

use super::args::{Kind, Sbom, SbomFormat};
use super::errors::{Failure, exit};
use super::npm_flags::NpmFlags;
use super::paint::packages;
use super::{Context, settings, shown_path};
use crate::disk;
use crate::ops::{self, SbomRequest};
use crate::sbom::{Stamp, cyclonedx, spdx};
use crate::target::Target;

pub fn run(args: &Sbom, context: &Context) -> Result<u8, Failure> {
    let (project, lock) = settings::lock_place(args.path.as_deref())?;
    let npm = NpmFlags {
        typed: [
            Kind::settings("omit", &args.omit),
            Kind::settings("include", &args.include),
        ]
        .concat(),
    };
    let (global, renderer) = (&context.global, &context.renderer);
    let session = settings::reading_session(global, project, &npm, renderer)?;
    let request = SbomRequest {
        lock,
        omit: settings::omit(&session.config),
        target: args.target.clone().map(Target::with_libc),
    };
    let stamp = stamp(args, context)?;
    let bom = ops::sbom(&session, &request)?;
    let document = match args.format {
        SbomFormat::Cyclonedx => cyclonedx::document(&bom, &stamp),
        SbomFormat::Spdx => spdx::document(&bom, &stamp),
    };
    renderer.finish();
    let listed = packages(bom.components.len().saturating_sub(1));
    if let Some(path) = &args.output {
        let text = format!("{document:#}\n");
        disk::write_atomically(path, text.as_bytes())?;
        renderer.say(&format!("{listed} ({} written)", shown_path(path)));
    } else {
        context.print(&format!("{document:#}\n"));
        renderer.say(&listed);
    }
    Ok(exit::OK)
}

/// A number and a time only where they are asked for; `SOURCE_DATE_EPOCH` asks for its time.
fn stamp(args: &Sbom, context: &Context) -> Result<Stamp, Failure> {
    let epoch = context
        .env
        .get("SOURCE_DATE_EPOCH")
        .filter(|text| !text.is_empty());
    let epoch = epoch.map(|text| {
        text.parse::<i64>().map_err(|_| {
            Failure::usage(
                "SOURCE_DATE_EPOCH is no number of seconds",
                "set it to seconds since 1970, such as `git log -1 --format=%ct` prints",
            )
        })
    });
    let timestamp = match (&args.timestamp, epoch.transpose()?) {
        (Some(Some(seconds)), _) => Some(*seconds),
        (_, Some(epoch)) => Some(epoch),
        (Some(None), None) => Some(now()),
        (None, None) => None,
    };
    let serial_number = match &args.serial_number {
        None => None,
        Some(Some(text)) => Some(text.clone()),
        Some(None) => Some(format!("urn:uuid:{}", random_uuid()?)),
    };
    Ok(Stamp {
        serial_number,
        timestamp,
        project_type: args.project_type.word().to_owned(),
    })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

fn random_uuid() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(disk::DiskError::at("read", "/dev/urandom".as_ref()))?;
    Ok(spdx::uuid_of(&bytes, 4))
}
