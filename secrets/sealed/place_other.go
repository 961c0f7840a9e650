//go:build unix && !linux && !darwin

package sealed

func machineID() string { return "" }

func madeAt(string) string { return "" }

func fileSystem(string) string { return "" }
