//! The `arena-sim` command: the IG simulator by itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(arena::cli::sim::main(std::env::args_os()))
}
