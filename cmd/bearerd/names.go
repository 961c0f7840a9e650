package main

import (
	"fmt"
	"strings"

	"bearerd/config"
)

// unknown is the error for a server name that the configuration does not have.
func unknown(name string, cfg *config.Config) error {
	var names []string
	for _, s := range cfg.Servers {
		names = append(names, s.Name)
	}
	return fmt.Errorf("server %q is not in the configuration, which has %s", name, strings.Join(names, ", "))
}
