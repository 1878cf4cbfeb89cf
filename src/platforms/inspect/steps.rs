//! The commands of a script's text, as a shell would take it apart.

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Without its folder and ending: `node-gyp` of `./node_modules/.bin/node-gyp`.
    pub program: String,
    pub arguments: Vec<String>,
    /// As written.
    pub text: String,
}

/// More commands than that no script has.
const MOST_STEPS: usize = 64;

/// What stands in front of the command that counts.
const WRAPPERS: [&str; 8] = [
    "cross-env",
    "cross-env-shell",
    "npx",
    "env",
    "exec",
    "command",
    "dotenv",
    "shx",
];

/// Tools that are also started as `node path/to/tool.js`.
const TOOLS: [&str; 7] = [
    "node-gyp",
    "node-gyp-build",
    "node-pre-gyp",
    "prebuild-install",
    "cmake-js",
    "node-gyp-build-optional-packages",
    "pkg-prebuilds-verify",
];

/// The commands in their order; which of them run depends on those before.
pub fn steps(script: &str) -> Vec<Step> {
    let commands = split(script).into_iter().take(MOST_STEPS);
    commands.filter_map(|words| step(&words)).collect()
}

/// Words of each command; quotes are taken off, operators and brackets end a command.
fn split(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word = String::new();
    let mut quote = None;
    let mut chars = script.chars();
    let end_word = |word: &mut String, commands: &mut Vec<Vec<String>>| {
        if let (false, Some(last)) = (word.is_empty(), commands.last_mut()) {
            last.push(std::mem::take(word));
        }
    };
    while let Some(char) = chars.next() {
        match (char, quote) {
            ('\\', _) => word.extend(chars.next()),
            (char, Some(open)) if char == open => quote = None,
            ('"' | '\'', None) => quote = Some(char),
            ('&' | '|' | ';' | '(' | ')' | '\n', None) => {
                end_word(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            (char, None) if char.is_whitespace() => end_word(&mut word, &mut commands),
            (char, _) => word.push(char),
        }
    }
    end_word(&mut word, &mut commands);
    commands.retain(|words| !words.is_empty());
    commands
}

fn step(words: &[String]) -> Option<Step> {
    let is_setting = |word: &String| {
        let name = word.split('=').next().unwrap_or_default();
        word.contains('=')
            && name
                .chars()
                .all(|char| char.is_ascii_alphanumeric() || char == '_')
    };
    let mut rest = words;
    loop {
        let (first, others) = rest.split_first()?;
        let wraps = WRAPPERS.contains(&&*program(first));
        if !(wraps || is_setting(first)) {
            break;
        }
        rest = others;
        while wraps && rest.first().is_some_and(|word| word.starts_with('-')) {
            rest = &rest[1..];
        }
    }
    let (first, mut arguments) = rest.split_first()?;
    let mut name = program(first);
    if name == "node" {
        // `node node_modules/node-gyp/bin/node-gyp.js rebuild` is node-gyp.
        let tool = arguments.first().map(|word| program(word));
        if let Some(tool) = tool.filter(|tool| TOOLS.contains(&&**tool)) {
            let in_folder = arguments
                .first()
                .is_some_and(|word| word.contains("node_modules"));
            if in_folder {
                name = tool;
                arguments = &arguments[1..];
            }
        }
    }
    Some(Step {
        program: name,
        arguments: arguments.to_vec(),
        text: rest.join(" "),
    })
}

fn program(word: &str) -> String {
    if word == "@mapbox/node-pre-gyp" {
        return "node-pre-gyp".to_owned();
    }
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let name = [".js", ".cmd", ".exe", ".cjs", ".mjs"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    // `tool@1.2.3`, as npx takes it.
    let name = name.split('@').next().filter(|name| !name.is_empty());
    name.unwrap_or(word).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(script: &str) -> Vec<String> {
        steps(script).into_iter().map(|step| step.program).collect()
    }

    #[test]
    fn the_commands_of_a_script_are_found_behind_what_wraps_them() {
        for (script, wanted) in [
            ("node-gyp rebuild", &["node-gyp"][..]),
            (
                "prebuild-install -r napi || node-gyp rebuild --release",
                &["prebuild-install", "node-gyp"],
            ),
            (
                "(node install/libvips && node install/dll-copy && prebuild-install) || (node install/can-compile && node-gyp rebuild)",
                &["node", "node", "prebuild-install", "node", "node-gyp"],
            ),
            (
                "cross-env JOBS=max npx --no-install node-pre-gyp install --fallback-to-build",
                &["node-pre-gyp"],
            ),
            (
                "node ./node_modules/node-gyp/bin/node-gyp.js rebuild",
                &["node-gyp"],
            ),
            ("node scripts/node-gyp.js", &["node"]),
            ("echo \"a && b\" ; true", &["echo", "true"]),
            ("", &[]),
            ("&& ||", &[]),
        ] {
            assert_eq!(programs(script), wanted, "{script}");
        }
    }

    #[test]
    fn quoted_code_is_one_word() {
        let steps = steps(r#"node -e "try{require('./postinstall')}catch(e){}""#);
        assert_eq!(
            steps[0].arguments,
            ["-e", "try{require('./postinstall')}catch(e){}"]
        );
    }
}
