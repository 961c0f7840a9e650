//go:build unix

package stdio

// inheritedHere is what programs need on this system beside inherited.
var inheritedHere []string

// variableName is the name by which a variable is told from others.
func variableName(name string) string { return name }
