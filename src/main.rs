//! The program: a thin layer over the library. See `hooksieve --help`.

mod cli;
#[cfg(feature = "serve")]
mod server;

fn main() -> std::process::ExitCode {
    cli::main()
}
