//! `heatseal store`: where the store is.

use super::Context;
use super::args::{Store, StoreAction};
use super::errors::{Failure, exit};
use super::settings;

pub fn run(args: &Store, context: &Context) -> Result<u8, Failure> {
    match args.action {
        StoreAction::Path => {
            let store = settings::store(&context.global, &context.env)?;
            context.print(&format!("{}\n", store.display()));
            Ok(exit::OK)
        }
    }
}
