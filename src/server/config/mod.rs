//! The configuration: flags before the environment before the file before the defaults.
//!
//! Each source is read as text for the names of one [table](settings), with where it came from; then
//! the values are read, and every mistake is reported with the name that its author used.

mod settings;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use settings::{SETTINGS, Setting};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
pub(crate) use values::{Config, LogFormat, Tls};

/// Values by the names of settings, as flags give them.
pub(crate) type Given = BTreeMap<&'static str, Vec<String>>;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Flag,
    Environment,
    File(PathBuf),
    Default,
}

/// A value of a setting, with where it came from.
#[derive(Clone, Debug)]
struct Value {
    texts: Vec<String>,
    origin: Origin,
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError(pub(crate) Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\nerror: "))
    }
}

impl std::error::Error for ConfigError {}

/// The values of all settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings(BTreeMap<&'static str, Value>);

impl Settings {
    /// Reads them from all sources.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or that has what is no setting.
    pub(crate) fn read(
        flags: Given,
        environment: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
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
            // An empty variable is most likely one that is not set.
            let text = environment(&setting.variable()).filter(|text| !text.is_empty());
            if let Some(text) = text {
                let texts = match setting.many {
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

    /// A file that gives every setting the value that it has.
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

    /// The name of a setting as its author used it.
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

    /// Whether a setting was given, and not left to its default.
    fn is_given(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.origin != Origin::Default)
    }
}

/// The settings of a file.
fn of_file(path: &Path) -> Result<Given, ConfigError> {
    let one = |what: String| ConfigError(vec![format!("{}: {what}", path.display())]);
    let text = std::fs::read_to_string(path).map_err(|error| one(error.to_string()))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| one(error.to_string()))?;
    let (mut given, mut wrong) = (Given::new(), Vec::new());
    for (name, value) in table {
        let Some(setting) = settings::find(&name) else {
            wrong.push(format!("{}: there is no setting `{name}`", path.display()));
            continue;
        };
        let texts = match value {
            toml::Value::Array(items) if setting.many => items.iter().map(text_of).collect(),
            value => text_of(&value).map(|text| vec![text]),
        };
        match texts {
            Some(texts) => drop(given.insert(setting.name, texts)),
            None => wrong.push(format!("{}: {name}: expected a text", path.display())),
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
