//! npm's own flags, by npm's names: they go into the configuration as the strongest source.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// The flags that were typed: name without dashes, value; in the order of the table.
#[derive(Debug, Clone, Default)]
pub struct NpmFlags {
    pub typed: Vec<(String, String)>,
}

/// What follows a flag.
#[derive(Debug, Clone, Copy)]
enum Takes {
    /// Nothing, or `=true`, `=false`.
    Switch,
    /// One value, called so in the help.
    Value(&'static str),
    /// One of these words; a repeated flag makes a list.
    Words(&'static [&'static str]),
    /// A lock's version.
    LockVersion,
    /// An age: `36h`, `2d`, or days as npm counts.
    Age,
    /// Nothing, or `=` and anything.
    Maybe,
}

struct Flag {
    name: &'static str,
    takes: Takes,
    /// Empty: accepted because people paste npm's flags, and without meaning here.
    help: &'static str,
}

const fn flag(name: &'static str, takes: Takes, help: &'static str) -> Flag {
    Flag { name, takes, help }
}

const WHO: &[&str] = &["all", "root", "none"];
const KINDS: &[&str] = &["dev", "optional", "peer"];
const ALL_KINDS: &[&str] = &["prod", "dev", "optional", "peer"];

const FLAGS: &[Flag] = &[
    flag(
        "omit",
        Takes::Words(KINDS),
        "Leave out dependencies of this kind [default: dev if NODE_ENV is production]",
    ),
    flag(
        "include",
        Takes::Words(ALL_KINDS),
        "Take dependencies of this kind, whatever --omit says",
    ),
    flag(
        "legacy-peer-deps",
        Takes::Switch,
        "Ignore peer dependencies, as npm 6 did",
    ),
    flag(
        "strict-peer-deps",
        Takes::Switch,
        "Fail on every peer conflict, also below dependencies",
    ),
    flag(
        "force",
        Takes::Switch,
        "Accept peer conflicts and packages for other platforms",
    ),
    flag(
        "prefer-dedupe",
        Takes::Switch,
        "Prefer what is in the tree already over a newer version",
    ),
    flag(
        "install-strategy",
        Takes::Words(&["hoisted", "nested", "shallow", "linked"]),
        "Where packages go in the tree [default: hoisted]",
    ),
    flag(
        "install-links",
        Takes::Switch,
        "Pack and install file: folders instead of linking them",
    ),
    flag(
        "engine-strict",
        Takes::Switch,
        "Fail where a package's `engines` exclude this Node or npm",
    ),
    flag(
        "lockfile-version",
        Takes::LockVersion,
        "Version of the lock [default: the lock's own, else 3]",
    ),
    flag(
        "before",
        Takes::Value("DATE"),
        "Take no version published after DATE",
    ),
    flag(
        "min-release-age",
        Takes::Age,
        "Take no version younger than AGE: 36h, 2d; a bare number is days",
    ),
    flag(
        "tag",
        Takes::Value("TAG"),
        "Dist-tag that counts where none is named [default: latest]",
    ),
    flag(
        "allow-git",
        Takes::Words(WHO),
        "Who may depend on git repositories [default: all; as npm 12: none]",
    ),
    flag(
        "allow-remote",
        Takes::Words(WHO),
        "Who may depend on the tarball at a URL [default: all; as npm 12: none]",
    ),
    flag(
        "allow-file",
        Takes::Words(WHO),
        "Who may depend on a tarball on the disk [default: all]",
    ),
    flag(
        "allow-directory",
        Takes::Words(WHO),
        "Who may depend on a folder [default: all]",
    ),
    flag(
        "os",
        Takes::Value("OS"),
        "Choose optional packages for this system [default: this one]",
    ),
    flag(
        "cpu",
        Takes::Value("CPU"),
        "Choose optional packages for this processor",
    ),
    flag(
        "libc",
        Takes::Value("LIBC"),
        "Choose optional packages for this C library",
    ),
    flag(
        "offline",
        Takes::Switch,
        "Ask no registry; what is not in the store is an error",
    ),
    flag(
        "prefer-offline",
        Takes::Switch,
        "Take packuments from the store however old they are",
    ),
    flag(
        "prefer-online",
        Takes::Switch,
        "Ask for every packument whether it changed",
    ),
    flag(
        "omit-lockfile-registry-resolved",
        Takes::Switch,
        "Write no registry addresses into the lock",
    ),
    flag("ignore-scripts", Takes::Switch, "Run no lifecycle scripts"),
    flag(
        "bin-links",
        Takes::Switch,
        "Link commands into node_modules/.bin [default: true]",
    ),
    flag(
        "allow-host",
        Takes::Value("HOST"),
        "Fetch tarballs from this host, too (may be repeated)",
    ),
    flag(
        "accept-manifest",
        Takes::Value("NAME@VERSION"),
        "Accept that this package's tarball and lock entry differ (may be repeated)",
    ),
    flag(
        "max-unpacked-size",
        Takes::Value("SIZE"),
        "Largest package, unpacked [default: 512M, or 20 times its tarball]",
    ),
    flag(
        "max-install-size",
        Takes::Value("SIZE"),
        "Largest sum of all packages [default: 8G]",
    ),
    flag(
        "max-entries",
        Takes::Value("COUNT"),
        "Most entries of a package's archive [default: 50000]",
    ),
    flag("max-metadata-size", Takes::Value("SIZE"), ""),
    flag("max-manifest-size", Takes::Value("SIZE"), ""),
    flag(
        "max-tarball-size",
        Takes::Value("SIZE"),
        "Largest tarball [default: 512M]",
    ),
    flag(
        "max-packument-size",
        Takes::Value("SIZE"),
        "Largest answer about a package [default: 64M]",
    ),
    flag("max-lockfile-size", Takes::Value("SIZE"), ""),
    flag("max-lockfile-packages", Takes::Value("NUMBER"), ""),
    flag("production", Takes::Switch, ""),
    flag("only", Takes::Value("KIND"), ""),
    flag("also", Takes::Value("KIND"), ""),
    flag("dev", Takes::Switch, ""),
    flag("optional", Takes::Switch, ""),
    flag("global-style", Takes::Switch, ""),
    flag("legacy-bundling", Takes::Switch, ""),
    flag("format-package-lock", Takes::Switch, ""),
    flag("replace-registry-host", Takes::Value("HOST"), ""),
    flag("package-lock", Takes::Switch, ""),
    flag("package-lock-only", Takes::Switch, ""),
    flag("foreground-scripts", Takes::Switch, ""),
    flag("audit", Takes::Switch, ""),
    flag("fund", Takes::Switch, ""),
    flag("save", Takes::Switch, ""),
    flag("progress", Takes::Switch, ""),
    flag("update-notifier", Takes::Switch, ""),
    flag("audit-level", Takes::Value("LEVEL"), ""),
    flag("loglevel", Takes::Value("LEVEL"), ""),
    flag("userconfig", Takes::Value("FILE"), ""),
    flag("globalconfig", Takes::Value("FILE"), ""),
    flag("maxsockets", Takes::Value("COUNT"), ""),
    flag("fetch-retries", Takes::Value("COUNT"), ""),
    flag("fetch-timeout", Takes::Value("MILLISECONDS"), ""),
    flag("fetch-retry-factor", Takes::Value("FACTOR"), ""),
    flag("fetch-retry-mintimeout", Takes::Value("MILLISECONDS"), ""),
    flag("fetch-retry-maxtimeout", Takes::Value("MILLISECONDS"), ""),
    flag("strict-ssl", Takes::Switch, ""),
    flag("ca", Takes::Value("PEM"), ""),
    flag("cafile", Takes::Value("FILE"), ""),
    flag("proxy", Takes::Value("URL"), ""),
    flag("https-proxy", Takes::Value("URL"), ""),
    flag("noproxy", Takes::Value("HOSTS"), ""),
    flag("script-shell", Takes::Value("SHELL"), ""),
    flag("node-options", Takes::Value("OPTIONS"), ""),
    flag("node-gyp", Takes::Value("FILE"), ""),
    flag("python", Takes::Value("FILE"), ""),
    flag("build-from-source", Takes::Maybe, ""),
    flag("cache", Takes::Value("DIR"), ""),
    flag("location", Takes::Value("WHERE"), ""),
    flag("color", Takes::Maybe, ""),
    flag("unicode", Takes::Switch, ""),
    flag("timing", Takes::Switch, ""),
    flag("verbose", Takes::Switch, ""),
    flag("yes", Takes::Switch, ""),
    flag("unsafe-perm", Takes::Switch, ""),
    flag("strict-allow-scripts", Takes::Switch, ""),
];

/// Names of the flags that take no value of their own.
pub fn switches() -> impl Iterator<Item = &'static str> + Clone {
    FLAGS
        .iter()
        .filter(|flag| matches!(flag.takes, Takes::Switch | Takes::Maybe))
        .map(|flag| flag.name)
}

impl Flag {
    fn argument(&self) -> Arg {
        let arg = Arg::new(self.name)
            .long(self.name)
            .help(self.help)
            .hide(self.help.is_empty())
            .help_heading("npm's options")
            .action(ArgAction::Append);
        let arg = match self.name {
            "force" => arg.short('f'),
            "verbose" => arg.short('d'),
            "yes" => arg.short('y'),
            _ => arg,
        };
        match self.takes {
            Takes::Switch => arg
                .value_name("BOOL")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .hide_possible_values(true)
                .value_parser(["true", "false"]),
            Takes::Maybe => arg
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true"),
            Takes::Value(name) => arg.value_name(name),
            Takes::Words(words) => arg
                .value_name(if words.contains(&"dev") {
                    "KIND"
                } else {
                    "STRATEGY"
                })
                .value_delimiter(',')
                .value_parser(words.to_vec()),
            Takes::LockVersion => arg.value_name("VERSION").value_parser(["1", "2", "3"]),
            Takes::Age => arg.value_name("AGE").value_parser(days),
        }
    }
}

impl Args for NpmFlags {
    fn augment_args(command: Command) -> Command {
        command.args(FLAGS.iter().map(Flag::argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for NpmFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut typed = Vec::new();
        for flag in FLAGS {
            let values = matches.get_many::<String>(flag.name).into_iter().flatten();
            typed.extend(values.map(|value| (flag.name.to_owned(), value.clone())));
        }
        Ok(Self { typed })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// An age as npm's number of days.
pub(super) fn days(typed: &str) -> Result<String, String> {
    let split = typed.find(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = typed.split_at(split.unwrap_or(typed.len()));
    let in_days = match unit {
        "" | "d" => 1.0,
        "m" => 1.0 / 1440.0,
        "h" => 1.0 / 24.0,
        "w" => 7.0,
        _ => return Err("the units are m, h, d and w".to_owned()),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "write an age such as 36h, 2d or 1w".to_owned())?;
    Ok((number * in_days).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[&str]) -> Vec<(String, String)> {
        let command = NpmFlags::augment_args(Command::new("x"));
        let matches = command.try_get_matches_from(words).unwrap();
        NpmFlags::from_arg_matches(&matches).unwrap().typed
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn only_what_was_typed_enters_the_configuration() {
        assert_eq!(typed(&["x"]), []);
        assert_eq!(
            typed(&[
                "x",
                "--omit=dev",
                "--omit",
                "peer",
                "--force",
                "--audit=false"
            ]),
            [
                pair("omit", "dev"),
                pair("omit", "peer"),
                pair("force", "true"),
                pair("audit", "false"),
            ]
        );
    }

    #[test]
    fn ages_are_days_as_npm_counts_them() {
        assert_eq!(days("36h").as_deref(), Ok("1.5"));
        assert_eq!(days("2").as_deref(), Ok("2"));
        assert_eq!(days("1w").as_deref(), Ok("7"));
        assert!(days("2y").is_err());
        assert!(days("h").is_err());
    }
}
