"""`models.lock`: which files a project's names mean, written down once and held to from there on."""
