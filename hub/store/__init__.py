"""Files on this machine: blobs by their digest, unfinished parts, and the caches of other programs."""
