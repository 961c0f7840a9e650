package stdio

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
)

// slashes mark a command that is a path.
const slashes = `/\`

// extensions are those of files that can be started. What else PATHEXT may name is for other programs to run.
var extensions = []string{".com", ".exe", ".bat", ".cmd"}

// programs are the files that a name may stand for: npx is npx.cmd.
func programs(name string) (files []string) {
	if slices.Contains(extensions, strings.ToLower(filepath.Ext(name))) {
		files = append(files, name)
	}
	for _, extension := range extensions {
		files = append(files, name+extension)
	}
	return files
}

// asScript has the system's own cmd.exe run a .bat or .cmd file, whose arguments are taken apart in another way than those of
// programs.
func asScript(cmd *exec.Cmd) error {
	if extension := strings.ToLower(filepath.Ext(cmd.Path)); extension != ".bat" && extension != ".cmd" {
		return nil
	}
	line, err := scriptLine(cmd.Path, cmd.Args[1:])
	if err != nil {
		return err
	}
	system, err := windows.GetSystemDirectory()
	if err != nil {
		return err
	}
	cmd.Path = filepath.Join(system, "cmd.exe")
	cmd.SysProcAttr.CmdLine = syscall.EscapeArg(cmd.Path) + " " + line
	return nil
}
