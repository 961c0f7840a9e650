//go:build !(linux || darwin || freebsd)

package config

import "os"

func openFile(path string) (*os.File, error) { return os.Open(path) }

func readOnlyMount(*os.File) bool { return false }

func readOnlyFolder(string) bool { return false }
