//! The precedence of sources, and the errors of settings.

use super::{Config, Given, Settings};

fn read(flags: &[(&'static str, &str)], environment: &[(&str, &str)]) -> Settings {
    let mut given = Given::new();
    for (name, value) in flags {
        given.entry(*name).or_default().push((*value).to_owned());
    }
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Settings::read(given, variable, None).unwrap()
}

fn wrong(flags: &[(&'static str, &str)], environment: &[(&str, &str)]) -> String {
    Config::new(&read(flags, environment)).unwrap_err().to_string()
}

#[test]
fn takes_flags_before_the_environment_before_the_file() {
    let path = std::env::temp_dir().join(format!("hooksieve-{}.toml", std::process::id()));
    std::fs::write(&path, "max-connections = 7\nmax-body-bytes = 8\nlog = \"warn\"\n").unwrap();
    let flags = Given::from([("max-connections", vec!["9".to_owned()])]);
    let variable = |name: &str| (name == "HOOKSIEVE_LOG").then(|| "debug".to_owned());
    let settings = Settings::read(flags, variable, Some(&path)).unwrap();
    let config = Config::new(&settings).unwrap();
    assert_eq!((config.max_connections, config.bounds.max_body), (9, 8));
    assert_eq!(config.log, "debug");

    // The printed configuration is a file with the same meaning.
    std::fs::write(&path, settings.print()).unwrap();
    let again = Settings::read(Given::new(), |_| None, Some(&path)).unwrap();
    let values = |settings: &Settings| -> Vec<_> {
        super::SETTINGS.iter().map(|s| settings.texts(s.name).to_vec()).collect()
    };
    assert_eq!(values(&again), values(&settings));

    std::fs::write(&path, "max-conections = 7\nlog = [1]\n").unwrap();
    let error = Settings::read(Given::new(), |_| None, Some(&path)).unwrap_err();
    assert_eq!(error.0.len(), 2, "{error}");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn reports_every_wrong_setting_by_the_name_that_was_used() {
    let all = wrong(
        &[("listen", "8080"), ("allow-target", "10.0.0.0"), ("attempt-timeout", "30")],
        &[("HOOKSIEVE_TIER1_PER_MINUTE", "many"), ("HOOKSIEVE_DEV", "maybe")],
    );
    for part in [
        "--listen: ",
        "--allow-target: ",
        "--attempt-timeout: ",
        "HOOKSIEVE_TIER1_PER_MINUTE: ",
        "HOOKSIEVE_DEV: ",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
}

#[test]
fn refuses_conflicting_settings() {
    for (flags, part) in [
        (&[("listen", "0.0.0.0:80")][..], "--behind-proxy"),
        (&[("resolve", "a.example.com=127.0.0.1")], "--dev"),
        (&[("tls-cert", "a.pem")], "--tls-key"),
        (&[("tls-key", "a.pem")], "--tls-cert"),
        (&[("dev", "true"), ("resolve", "a.example.com")], "HOST=ADDR"),
        (&[("max-header-bytes", "100")], "8192"),
        (&[("max-body-bytes", "9999999")], "2097152"),
        (&[("header-timeout", "0s")], "above 0"),
        (&[("log", "a=b=c")], "--log"),
        (&[("retry-schedule", "5s,soon")], "--retry-schedule"),
        (&[("retry-schedule", "5s,0s")], "above 0"),
        (&[("max-attempts-per-endpoint", "0")], "above 0"),
    ] {
        let error = wrong(flags, &[]);
        assert!(error.contains(part), "{part} in {error}");
    }
    let public = [("listen", "0.0.0.0:80"), ("behind-proxy", "true")];
    assert!(Config::new(&read(&public, &[])).is_ok());
}

#[test]
fn sets_no_rate_limits_in_development_by_default() {
    let rates = |flags: &[(&'static str, &str)]| {
        let rates = Config::new(&read(flags, &[])).unwrap().rates;
        (rates.tier1, rates.tier2)
    };
    assert_eq!(rates(&[]), (1000, 100));
    assert_eq!(rates(&[("dev", "true")]), (0, 0));
    assert_eq!(rates(&[("dev", "true"), ("tier2-per-minute", "5")]), (0, 5));
}
