package config

import (
	"os"
	"path/filepath"
)

// systemPath is the configuration of the machine; "": there is none. Every user may make folders where one could be, and who
// writes it chooses which programs run.
const systemPath = ""

// homeState is the default state folder of the user with this home. It is not in the part of the profile that roams.
func homeState(home string) string {
	if dir := os.Getenv("LOCALAPPDATA"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "bearerd")
	}
	return filepath.Join(home, "AppData", "Local", "bearerd")
}
