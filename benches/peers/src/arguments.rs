//! The arguments of the command line.

use std::path::PathBuf;
use std::time::Duration;

/// The settings of a run.
pub struct Arguments {
    pub sizes: Vec<usize>,
    pub events: usize,
    /// The time to measure one engine at one size, and again to check it.
    pub measure: Duration,
    /// The maximum time to build one engine at one size.
    pub build: Duration,
    /// The maximum bytes that the process may grow by, where the system reports them.
    pub memory: u64,
    /// The file to draw the picture to.
    pub picture: Option<PathBuf>,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            sizes: vec![1_000, 100_000],
            events: 1_000,
            measure: Duration::from_secs(3),
            build: Duration::from_secs(60),
            memory: 6 << 30,
            picture: None,
        }
    }
}

impl Arguments {
    pub fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        let mut words = words;
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{name}` has no value"))?;
            let number = |text: &str| {
                text.parse::<usize>()
                    .ok()
                    .filter(|number| *number > 0)
                    .ok_or_else(|| format!("`{text}` after `{name}` is not a whole number above 0"))
            };
            match name.as_str() {
                "--sizes" => {
                    arguments.sizes = value.split(',').map(number).collect::<Result<_, _>>()?;
                    arguments.sizes.sort_unstable();
                }
                "--events" => arguments.events = number(&value)?,
                "--seconds" => arguments.measure = Duration::from_secs(number(&value)? as u64),
                "--build-seconds" => arguments.build = Duration::from_secs(number(&value)? as u64),
                "--picture" => arguments.picture = Some(value.into()),
                "--gibibytes" => arguments.memory = (number(&value)? as u64) << 30,
                _ => {
                    return Err(format!(
                        "`{name}` is not one of --sizes, --events, --seconds, --build-seconds, --gibibytes, --picture"
                    ));
                }
            }
        }
        Ok(arguments)
    }
}
