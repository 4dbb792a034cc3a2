//! The `arena` command: parse, dispatch, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(arena::cli::main(std::env::args_os()))
}
