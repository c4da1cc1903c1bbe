"""``make soak``: the production server for minutes, under a steady load, while all that an operator
has cron and monitoring do goes on beside it."""
