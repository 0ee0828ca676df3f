//! The output shown in the guide equals the program's output.
#![cfg(unix)]

use std::path::Path;
use std::process::Command;

/// Returns the commands in a page's text blocks, each with the output that the page shows.
///
/// A command begins with `$ ` and continues after `\`; its output ends at the next command.
fn commands(page: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for block in page.split("```text\n").skip(1) {
        let (block, _) = block.split_once("\n```").unwrap();
        let mut continued = false;
        for line in block.lines() {
            let begun = line.strip_prefix("$ ");
            if let Some(line) = begun {
                commands.push((line.to_owned(), String::new()));
            } else if let Some((command, shown)) = commands.last_mut() {
                let text = if continued { command } else { shown };
                text.push_str(line);
                text.push('\n');
            }
            continued = (continued || begun.is_some()) && line.ends_with('\\');
            if let (true, Some((command, _))) = (begun.is_some(), commands.last_mut()) {
                command.push('\n');
            }
        }
    }
    commands
}

/// Runs a command in a shell, and returns both its streams.
fn printed(command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_hooksieve")).parent().unwrap();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(program.to_owned()).chain(std::env::split_paths(&paths));
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .env("PATH", std::env::join_paths(paths).unwrap())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn shows_the_output_of_every_command_in_the_guide() {
    let page = std::fs::read_to_string("src/guide/why.md").unwrap();
    let commands = commands(&page);
    assert_eq!(commands.len(), page.lines().filter(|line| line.starts_with("$ ")).count());
    assert!(commands.len() >= 8, "the page has commands");
    for (command, shown) in commands {
        assert!(command.contains("hooksieve "), "{command}");
        assert_eq!(shown.trim_end(), printed(&command).trim_end(), "{command}");
    }
}
