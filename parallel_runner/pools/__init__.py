"""Worker processes: how they are made, fed, limited, watched and ended."""
