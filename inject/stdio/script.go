package stdio

import (
	"fmt"
	"strings"
)

// scriptLine is what follows cmd.exe to run a script of Windows with arguments that mean nothing to cmd.exe itself. It takes
// them apart before the program behind the script does, and its rules are others: a % names a variable even within quotes, and an
// & outside of them begins another command.
func scriptLine(script string, args []string) (string, error) {
	if strings.ContainsAny(script, "\"%\r\n\x00") {
		return "", fmt.Errorf("command: %q holds a character that cmd.exe would take for its own: rename it", script)
	}
	var line strings.Builder
	line.WriteString(`/e:ON /v:OFF /d /c ""` + script + `"`)
	for i, arg := range args {
		if strings.ContainsAny(arg, "\r\n\x00") {
			return "", fmt.Errorf("args: a script cannot be given argument %d, which holds a line break or a NUL: name the program itself "+
				"in command, such as node with the path of its .js file", i+1)
		}
		line.WriteString(" ")
		scriptArgument(&line, arg)
	}
	line.WriteString(`"`)
	return line.String(), nil
}

// scriptArgument quotes an argument for cmd.exe and, behind it, for a program that takes its line apart as those of C do.
func scriptArgument(line *strings.Builder, arg string) {
	line.WriteByte('"')
	slashes := 0 // those that a quote follows are doubled
	for _, r := range arg {
		switch r {
		case '\\':
			slashes++
		case '"':
			line.WriteString(strings.Repeat(`\`, slashes) + `"`)
			slashes = 0
		case '%':
			line.WriteString(`%%cd:~,`) // with the % that follows: a % and an empty piece of the variable cd
			slashes = 0
		default:
			slashes = 0
		}
		line.WriteRune(r)
	}
	line.WriteString(strings.Repeat(`\`, slashes) + `"`)
}
