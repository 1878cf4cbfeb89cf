//! Claims about configuration.

use super::*;

struct Place {
    folder: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

impl Place {
    fn new(project: &str, user: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(folder.path().join(".npmrc"), project).unwrap();
        std::fs::write(home.join(".npmrc"), user).unwrap();
        let prefix = folder.path().join("prefix");
        let env = [("HOME", home), ("PREFIX", prefix)]
            .map(|(key, path)| (key.to_owned(), path.to_str().unwrap().to_owned()));
        let env = BTreeMap::from(env);
        Self { folder, env }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    fn load(&self, flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let flags: Vec<_> = flags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Config::load(self.folder.path(), &self.env, &flags)
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn header(config: &Config, text: &str) -> Option<String> {
    let credentials = config.credentials(&url(text), None)?;
    Some(credentials.authorization?.expose().to_owned())
}

#[test]
fn flags_beat_the_environment_beats_the_project_beats_the_user_beats_the_global_file() {
    let place = Place::new("b=project\nc=project\n", "c=user\nd=user\n")
        .with("npm_config_a", "env")
        .with("NPM_CONFIG_B", "env")
        .with("npm_config_", "x");
    std::fs::create_dir_all(place.folder.path().join("prefix/etc")).unwrap();
    std::fs::write(place.folder.path().join("prefix/etc/npmrc"), "d=g\ne=g").unwrap();
    let config = place.load(&[("a", "flag")]).unwrap();
    let found = ["a", "b", "c", "d", "e", "f"].map(|key| config.text(key).unwrap_or("-"));
    assert_eq!(found, ["flag", "env", "project", "user", "g", "-"]);
}

#[test]
fn the_environment_spells_keys_with_underscores_and_lists_with_blank_lines() {
    let config = Place::new("", "")
        .with("npm_config_fetch_retries", "7")
        .with("npm_config_omit", "dev\n\npeer")
        .with("npm_config_//h.example/:_authToken", "t")
        .with("npm_config_tag", "")
        .load(&[])
        .unwrap();
    assert_eq!(config.fetching().retries, 7);
    assert_eq!(config.omitted(), ["dev", "peer"]);
    assert_eq!(config.tag(), "latest");
    assert_eq!(header(&config, "https://h.example/x").unwrap(), "Bearer t");
}

#[test]
fn credentials_go_to_their_path_and_below_and_nowhere_else() {
    let config = Place::new(
        "registry=https://r.example/npm/\n//r.example/npm/:_authToken=deep\n\
         //h.example/team:_auth=YTpi\n//u.example:8443/:username=u\n\
         //u.example:8443/:_password=cA==\n",
        "",
    )
    .load(&[])
    .unwrap();
    for (asked, answer) in [
        ("https://r.example/npm/x", Some("Bearer deep")),
        ("https://r.example/npm/x/-/x-1.tgz", Some("Bearer deep")),
        ("https://r.example/other/x-1.tgz", Some("Bearer deep")), // the registry's own host
        ("https://r.example:8080/npm/x", None),
        ("https://evil.example/npm/x", None),
        ("https://h.example/team/x", Some("Basic YTpi")),
        ("https://h.example/team-evil/x", None),
        ("https://h.example/team/../x", None),
        ("https://h.example/", None),
        ("https://u.example:8443/a/b/c", Some("Basic dTpw")),
        ("https://u.example/a", None),
        ("http://r.example/npm/x", None), // a token for https is not sent in the clear
        ("http://h.example/team/x", None),
    ] {
        assert_eq!(header(&config, asked).as_deref(), answer, "{asked}");
    }
}

#[test]
fn unscoped_credentials_are_refused_with_npms_words() {
    let place = Place::new(
        "registry=https://r.example/\n_authToken=s3cret\n",
        "username=u\n",
    );
    let error = place.load(&[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Invalid auth configuration found: `_authToken` must be renamed to \
         `//r.example/:_authToken` in project config"
    );
}

#[test]
fn no_secret_is_ever_printed() {
    let config = Place::new(
        "//h.example/:_authToken=s3cret\nproxy=http://u:s3cret@p/\n",
        "",
    )
    .load(&[])
    .unwrap();
    let credentials = config.credentials(&url("https://h.example/"), None);
    assert!(!format!("{config:?}{credentials:?}").contains("s3cret"));
    let bad = Place::new("registry=ftp://u:s3cret@h/?t=s3cret\n", "").load(&[]);
    assert!(!format!("{:?} {}", bad, bad.as_ref().unwrap_err()).contains("s3cret"));
}

#[test]
fn a_scope_has_its_own_registry() {
    let config = Place::new("@s:registry=https://s.example/x\n", "")
        .load(&[])
        .unwrap();
    let of = |scope| config.registry_for(scope).unwrap().to_string();
    assert_eq!(of(Some("@s")), "https://s.example/x/");
    assert_eq!(of(Some("@t")), public_registry());
    assert_eq!(of(None), public_registry());
}

#[test]
fn a_tarball_of_the_public_registry_comes_from_the_configured_one() {
    let load = |extra: &str| {
        let text = format!("registry=http://127.0.0.1:1/npm/\n{extra}");
        Place::new(&text, "").load(&[]).unwrap()
    };
    let public = format!("{}a/-/a-1.tgz", public_registry());
    let other = "https://o.example/repo/a/-/a-1.tgz";
    let ours = "http://127.0.0.1:1/npm/a/-/a-1.tgz";
    for (option, asked, answer) in [
        ("", public.as_str(), ours),
        ("", other, other),
        ("", ours, ours),
        ("replace-registry-host=never\n", &public, &public),
        (
            "replace-registry-host=always\n",
            other,
            "http://127.0.0.1:1/npm/repo/a/-/a-1.tgz",
        ),
        (
            "replace-registry-host=o.example\n",
            other,
            "http://127.0.0.1:1/npm/repo/a/-/a-1.tgz",
        ),
        (
            "replace-registry-host=https://o.example/repo\n",
            other,
            ours,
        ),
        (
            "replace-registry-host=https://o.example/rep\n",
            other,
            other,
        ),
    ] {
        let found = load(option).download_url(&url(asked)).to_string();
        assert_eq!(found, answer, "{option}{asked}");
    }
}

#[test]
fn what_is_omitted_follows_node_env_and_include_wins() {
    let omitted = |project: &str, mode: &str| {
        let place = Place::new(project, "").with("NODE_ENV", mode);
        place.load(&[]).unwrap().omitted()
    };
    assert_eq!(omitted("", "production"), ["dev"]);
    assert_eq!(omitted("", "test"), [""; 0]);
    assert_eq!(omitted("omit[]=optional\n", "production"), ["optional"]);
    assert_eq!(omitted("include=dev\n", "production"), [""; 0]);
    assert_eq!(omitted("production=true\n", ""), ["dev"]);
}

#[test]
fn before_wins_over_the_release_age_of_the_same_source_only() {
    let before = |project: &str, user: &str| {
        Place::new(project, user)
            .load(&[])
            .unwrap()
            .before(864_000_000)
    };
    assert_eq!(before("", "").unwrap(), None);
    assert_eq!(before("min-release-age=3", "").unwrap(), Some(604_800_000));
    assert_eq!(
        before("min-release-age=3\nbefore=1970-01-02", "").unwrap(),
        Some(86_400_000)
    );
    assert_eq!(
        before("min-release-age=3", "before=1970-01-02").unwrap(),
        Some(604_800_000)
    );
    assert!(before("before=soon", "").is_err());
}

#[test]
fn proxies_come_from_configuration_then_the_environment_and_spare_named_hosts() {
    let place = Place::new("noproxy=local.example\n", "").with("HTTPS_PROXY", "http://p:1");
    let config = place.load(&[]).unwrap();
    let proxy = |text: &str| config.proxies().proxy(&url(text)).map(str::to_owned);
    assert_eq!(proxy("https://r.example/").as_deref(), Some("http://p:1"));
    assert_eq!(proxy("https://a.local.example/"), None);
    assert_eq!(
        proxy("https://notlocal.example/").as_deref(),
        Some("http://p:1")
    );
}

#[test]
fn entries_are_what_wins_with_every_item_of_a_list() {
    let place = Place::new("b=project\nomit[]=dev\nomit[]=peer\n", "b=user\nd=user\n");
    let entries = place.load(&[("a", "flag")]).unwrap().entries();
    let of = |key: &str| entries.get(key).map(|items| items.join(" "));
    assert_eq!(of("a").as_deref(), Some("flag"));
    assert_eq!(of("b").as_deref(), Some("project"));
    assert_eq!(of("d").as_deref(), Some("user"));
    assert_eq!(of("omit").as_deref(), Some("dev peer"));
    assert_eq!(of("e"), None);
}

#[test]
fn a_project_may_not_loosen_tls_nor_name_programs_and_folders() {
    let theirs = "strict-ssl=false\ncafile=x.pem\nca[]=x\nscript-shell=./sh\ncache=.\ngit=./git\n\
                  //h.example/:tokenHelper=./helper\nprefix=.\n";
    let config = Place::new(&format!("{theirs}tag=next\n"), "cafile=mine.pem\n");
    let config = config.load(&[]).unwrap();
    let unused = [
        "//h.example/:tokenHelper",
        "ca",
        "cache",
        "cafile",
        "git",
        "prefix",
        "script-shell",
        "strict-ssl",
    ];
    assert_eq!(config.unused(), unused);
    assert!(config.strict_ssl());
    assert_eq!(config.authorities().1, Some("mine.pem".into()));
    assert_eq!(config.tag(), "next");

    let config = Place::new("", theirs).load(&[]).unwrap();
    assert!(config.unused().is_empty() && !config.strict_ssl());
    assert_eq!(config.text("script-shell"), Some("./sh"));
}

#[test]
fn a_projects_variables_are_for_credentials_alone() {
    let place = |project: &str, user: &str| Place::new(project, user).with("TOKEN", "s3cret");
    let config = place(
        "//h.example/:_authToken=${TOKEN}\nuser-agent=${TOKEN}\nproxy=http://${TOKEN}/\n\
         ${TOKEN}=x\ntag=${UNSET}\n",
        "",
    );
    let config = config.load(&[]).unwrap();
    assert_eq!(
        header(&config, "https://h.example/x").unwrap(),
        "Bearer s3cret"
    );
    assert_eq!(config.unused(), ["${TOKEN}", "proxy", "user-agent"]);
    assert_eq!(config.text("user-agent"), None);
    assert_eq!(config.text("s3cret"), None);
    assert_eq!(config.tag(), "${UNSET}");

    for key in ["registry", "@s:registry"] {
        let text = format!("{key}=https://h.example/${{TOKEN}}/\n");
        let error = place(&text, "").load(&[]).unwrap_err();
        assert!(matches!(error, ConfigError::Variable { .. }), "{error}");
        assert!(place("", &text).load(&[]).is_ok());
    }
}

#[test]
fn a_path_that_climbs_once_it_is_decoded_gets_no_credentials() {
    let config = Place::new("", "//h.example/team/:_authToken=t\n")
        .load(&[])
        .unwrap();
    for path in [
        "..%2fother/x",
        "%2e%2e%2fother",
        "a%2f..%2f..%2fother",
        "..%5cother",
        "%2e%2fx",
    ] {
        let asked = format!("https://h.example/team/{path}");
        assert_eq!(header(&config, &asked), None, "{asked}");
    }
    let scoped = "https://h.example/team/@s%2fx";
    assert_eq!(header(&config, scoped).unwrap(), "Bearer t");
}

#[test]
fn addresses_and_networks_can_be_asked_directly() {
    let proxied = |direct: &str, asked: &str| {
        let text = format!("proxy=http://p.example/\nnoproxy={direct}\n");
        let config = Place::new("", &text).load(&[]).unwrap();
        config.proxies().proxy(&url(asked)).is_some()
    };
    for (direct, asked, through_proxy) in [
        ("h.example", "http://h.example/", false),
        ("h.example", "http://a.h.example/", false),
        ("h.example", "http://evilh.example/", true),
        ("127.0.0.1", "http://127.0.0.1:8080/", false),
        ("0.0.1", "http://127.0.0.1:8080/", true),
        ("127.0.0.0/8", "http://127.9.9.9/", false),
        ("127.0.0.0/8", "http://128.0.0.1/", true),
        ("0.0.0.0/0", "http://128.0.0.1/", false),
        ("::1", "http://[::1]/", false),
        ("fd00::/8", "http://[fd12::1]/", false),
        ("fd00::/8", "http://[fe12::1]/", true),
        ("*", "http://h.example/", false),
    ] {
        assert_eq!(proxied(direct, asked), through_proxy, "{direct} {asked}");
    }
}

#[test]
fn what_is_printed_has_no_credentials() {
    for (text, shown) in [
        ("no address", "no address"),
        (
            "`https://u:p@h.example/x`, or",
            "`https://***@h.example/x`, or",
        ),
        ("https://token@h.example", "https://***@h.example"),
        ("git+ssh://git@h.example/x#y", "git+ssh://git@h.example/x#y"),
        ("git+ssh://git:p@h.example/x", "git+ssh://***@h.example/x"),
        (
            "a http://u:p@a/ b http://u:p@b/",
            "a http://***@a/ b http://***@b/",
        ),
        ("https://h.example/@s/x", "https://h.example/@s/x"),
        (
            "at https://h.example/x?token=t#y (z?)",
            "at https://h.example/x?***#y (z?)",
        ),
        ("https://u:p@q@h.example/", "https://***@h.example/"),
    ] {
        assert_eq!(without_credentials(text), shown);
    }
    let config = Config::parse(
        "//h.example/:_authToken=s3cret\n//i.example/:username=me\n//i.example/:_password=cGFzc3dvcmQ=\n",
    );
    let shown = config
        .unwrap()
        .without_secrets("s3cret, Basic bWU6cGFzc3dvcmQ=, password");
    assert_eq!(shown, "***, Basic ***, ***");
}
