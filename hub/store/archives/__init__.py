"""Archives, unpacked by rules that no member can get around: files and folders only, below one folder, within caps."""
