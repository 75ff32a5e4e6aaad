//! The `filin` binary: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    filin::cli::main()
}
