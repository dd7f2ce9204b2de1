"""What an outsider reaches, under a fuzzer: `make fuzz`."""
