"""The vocabulary: what exists (rows), what may come in (requests), what goes out (responses),
what is refused (errors). Nothing here does I/O, and nothing here imports the other rooms."""
