package main

import "runtime/debug"

// version is the module's version, and the commit it was built from where the
// build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "tidebot (unknown version)"
	}
	v := "tidebot " + info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return v + " " + info.GoVersion
}
