//go:build unix

package config

import "path/filepath"

// systemPath is the configuration of the machine; "": there is none.
const systemPath = "/etc/bearerd"

// homeState is the default state folder of the user with this home.
func homeState(home string) string { return filepath.Join(home, ".local", "state", "bearerd") }
