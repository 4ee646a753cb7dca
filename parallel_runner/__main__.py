"""`python -m parallel_runner`, and where the command `parallel-runner` begins."""

import signal


def main() -> None:
    """Start the program. Until it listens to signals itself, Ctrl-C ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from parallel_runner.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
