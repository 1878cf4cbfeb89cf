//! One hostile or odd input: what is served, what is run, and what must come of it.

use crate::world::{Run, World};

/// What a case must come to.
pub enum Outcome {
    /// The last command fails with this exit code, its standard error has each of these words.
    Refused(i32, &'static [&'static str]),
    /// All commands succeed; standard error has the words, the project has the files.
    Installed(&'static [&'static str], &'static [&'static str]),
}

pub use Outcome::{Installed, Refused};

pub struct Case {
    /// The row of the threat table, and what is odd.
    pub name: &'static str,
    pub set_up: Box<dyn Fn(&World)>,
    pub commands: &'static [&'static [&'static str]],
    pub outcome: Outcome,
}

pub const CI: &[&[&str]] = &[&["ci", "--ignore-scripts"]];
pub const LOCK: &[&[&str]] = &[&["shrinkwrap"]];
pub const BOTH: &[&[&str]] = &[&["shrinkwrap"], &["ci", "--ignore-scripts"]];

pub fn case(
    name: &'static str,
    commands: &'static [&'static [&'static str]],
    outcome: Outcome,
    set_up: impl Fn(&World) + 'static,
) -> Case {
    Case {
        name,
        set_up: Box::new(set_up),
        commands,
        outcome,
    }
}

impl Case {
    fn verdict(&self) -> Result<(), String> {
        let world = World::new();
        (self.set_up)(&world);
        if std::env::var_os("HEATSEAL_FIGURES").is_some() {
            eprint!("{} ", self.name);
        }
        let mut last: Option<Run> = None;
        for command in self.commands {
            let run = world.run(command)?;
            let failed = run.code != 0;
            last = Some(run);
            if failed {
                break;
            }
        }
        let run = last.ok_or("nothing was run")?;
        let (code, words, files): (_, _, &[&str]) = match self.outcome {
            Refused(code, words) => (code, words, &[]),
            Installed(words, files) => (0, words, files),
        };
        if run.code != code {
            return Err(format!(
                "exit {} where {code} belongs:\n{}",
                run.code, run.stderr
            ));
        }
        if code != 0 && world.has("node_modules") {
            return Err("a refused install left a node_modules".to_owned());
        }
        if code != 0 && !run.stderr.contains("error[") {
            return Err(format!("the error has no name: {}", run.stderr));
        }
        if code != 0 {
            tells_what_to_do(&run.stderr)?;
        }
        let missing = words.iter().find(|word| !run.stderr.contains(**word));
        if let Some(word) = missing {
            return Err(format!("{word:?} is not in:\n{}", run.stderr));
        }
        match files.iter().find(|file| !world.has(file)) {
            Some(file) => Err(format!("{file} was not installed")),
            None => Ok(()),
        }
    }
}

/// A refusal has a hint, and no more than 400 bytes beside the list that it may have.
fn tells_what_to_do(stderr: &str) -> Result<(), String> {
    const MOST: usize = 400;
    let start = stderr.find("error[").unwrap_or_default();
    let lines = stderr[start..].lines();
    let length: usize = lines
        .filter(|line| !line.starts_with("  ") || line.starts_with("  caused by"))
        .map(|line| line.len() + 1)
        .sum();
    if !stderr.contains("hint: ") {
        return Err(format!("it does not say what to do: {stderr}"));
    }
    if length > MOST {
        return Err(format!("it takes {length} bytes to say: {stderr}"));
    }
    Ok(())
}

/// Runs all cases of a section, two at a time, and claims that each came out as it must.
#[track_caller]
pub fn all_as_expected(section: &str, cases: &[Case]) {
    let total = cases.len();
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("{}: {}", case.name, case.verdict().err()?)))
        .collect();
    eprintln!("{section}: {} of {total} as expected", total - wrong.len());
    assert!(wrong.is_empty(), "{section}:\n{}", wrong.join("\n"));
}
