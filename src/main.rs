//! The program: a thin layer over the library. See `hooksieve --help`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
