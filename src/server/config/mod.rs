//! The configuration: flags override the environment, which overrides the file, then the defaults.
//!
//! Each source is read as text for the settings of one [table](settings), with its origin. The
//! values are parsed afterwards, and every error is reported with the name that the source used:
//! `--listen`, `HOOKSIEVE_LISTEN` or `serve.toml: listen`, so that a person looks in the right place.
//!
//! ```text
//! defaults ◀─ file (TOML) ◀─ environment ◀─ flags        later sources replace whole values
//!                       │
//!                       ▼
//!   Settings: name → texts, origin ──▶ print        a file with the same meaning
//!                       └────────────▶ Config       the values, or every error
//! ```

mod settings;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use settings::{SETTINGS, Setting};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
pub(crate) use values::{Config, LogFormat, Tls, duration};

/// The values of flags, by name of the setting.
pub(crate) type Given = BTreeMap<&'static str, Vec<String>>;

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Flag,
    Environment,
    File(PathBuf),
    Default,
}

/// A value of a setting with its source.
#[derive(Clone, Debug)]
struct Value {
    texts: Vec<String>,
    origin: Origin,
}

/// Every error of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError(pub(crate) Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\nerror: "))
    }
}

impl std::error::Error for ConfigError {}

/// The values of all settings, not yet parsed.
#[derive(Clone, Debug)]
pub(crate) struct Settings(BTreeMap<&'static str, Value>);

impl Settings {
    /// Reads the settings from all sources.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or has an unknown setting.
    pub(crate) fn read(
        flags: Given,
        environment: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
        // From the weakest source to the strongest, each replacing what it names.
        for setting in SETTINGS {
            let texts = match setting.default {
                "" => Vec::new(),
                default => vec![default.to_owned()],
            };
            values.insert(setting.name, Value { texts, origin: Origin::Default });
        }
        if let Some(path) = file {
            let origin = Origin::File(path.to_owned());
            for (name, texts) in of_file(path)? {
                values.insert(name, Value { texts, origin: origin.clone() });
            }
        }
        for setting in SETTINGS {
            // An empty variable is probably unset on purpose.
            let text = environment(&setting.variable()).filter(|text| !text.is_empty());
            if let Some(text) = text {
                let texts = match setting.many {
                    // A variable cannot be given twice, so one has all values.
                    true => text.split(',').map(|text| text.trim().to_owned()).collect(),
                    false => vec![text],
                };
                values.insert(setting.name, Value { texts, origin: Origin::Environment });
            }
        }
        for (name, texts) in flags {
            values.insert(name, Value { texts, origin: Origin::Flag });
        }
        Ok(Self(values))
    }

    /// Returns a file that sets every setting to its value.
    pub(crate) fn print(&self) -> String {
        let mut text = String::new();
        for setting in SETTINGS {
            let Some(value) = self.0.get(setting.name) else { continue };
            let origin = match &value.origin {
                Origin::Flag => format!("--{}", setting.name),
                Origin::Environment => setting.variable(),
                Origin::File(path) => path.display().to_string(),
                Origin::Default => "default".to_owned(),
            };
            let help = setting.help;
            text.push_str(&format!("# {help} ({origin})\n{}\n\n", setting.line(&value.texts)));
        }
        text.truncate(text.trim_end().len());
        text + "\n"
    }

    /// Returns the name of a setting as its source writes it.
    fn called(&self, name: &str) -> String {
        let origin = self.0.get(name).map(|value| &value.origin);
        match (origin, settings::find(name)) {
            (Some(Origin::Environment), Some(setting)) => setting.variable(),
            (Some(Origin::File(path)), _) => format!("{}: {name}", path.display()),
            _ => format!("--{name}"),
        }
    }

    fn texts(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], |value| &value.texts)
    }

    /// Returns whether a setting was given by any source.
    fn is_given(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.origin != Origin::Default)
    }
}

/// Reads the settings of a file.
fn of_file(path: &Path) -> Result<Given, ConfigError> {
    let one = |what: String| ConfigError(vec![format!("{}: {what}", path.display())]);
    let text = std::fs::read_to_string(path).map_err(|error| one(error.to_string()))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| one(error.to_string()))?;
    let (mut given, mut wrong) = (Given::new(), Vec::new());
    for (name, value) in table {
        let Some(setting) = settings::find(&name) else {
            wrong.push(format!("{}: unknown setting `{name}`", path.display()));
            continue;
        };
        let texts = match value {
            toml::Value::Array(items) if setting.many => items.iter().map(text_of).collect(),
            value => text_of(&value).map(|text| vec![text]),
        };
        match texts {
            Some(texts) => drop(given.insert(setting.name, texts)),
            None => wrong.push(format!("{}: {name}: expected a string", path.display())),
        }
    }
    if wrong.is_empty() { Ok(given) } else { Err(ConfigError(wrong)) }
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        _ => None,
    }
}
