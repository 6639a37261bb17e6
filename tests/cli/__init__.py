"""The command line as a shell sees it: real processes, real brokers and stores, exit codes and text."""
