//go:build unix

package stdio

// slashes mark a command that is a path.
const slashes = "/"

// programs are the files that a name may stand for.
func programs(name string) []string { return []string{name} }
