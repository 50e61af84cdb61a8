"""Does it change the log's head? Admit, sequence, commit, recover, publish."""
