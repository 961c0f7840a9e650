package config

import "runtime"

// rotation checks what is said of the end of a child's token, and of its own end.
func (c check) rotation() {
	c.oneOf(c.block, "on_rotate", c.OnRotate, "replay", "restart", "signal", "none")
	c.oneOf(c.block, "on_rotate_busy", c.OnRotateBusy, "error", "wait")
	c.oneOf(c.block, "signal", c.Signal, "SIGHUP", "SIGUSR1", "SIGUSR2")
	if c.block.has("restart") {
		c.oneOf(c.block, "restart", c.Restart, "never", "on_failure", "always")
	}
	if c.OnRotate != "signal" {
		c.refuse(`needs on_rotate = "signal"`, "remove it, or set on_rotate", "signal")
	} else if runtime.GOOS == "windows" {
		c.fail(c.block, "on_rotate", `on_rotate = "signal" needs signals, which Windows does not have`, "choose another on_rotate")
	} else if c.TokenFile == "" {
		c.fail(c.block, "on_rotate", `on_rotate = "signal" needs token_file, which the server reads when it gets the signal`,
			`write token_file = "PATH", or choose another on_rotate`)
	}
	if !c.Relayed() {
		c.refuse(`needs on_rotate = "replay" or "restart"`, "remove it, or set on_rotate", "on_rotate_busy")
	}
}

// Relayed reports whether bearerd stands between the client and the child, which it can then exchange. Otherwise the child
// has the client's pipes. curl serves nobody.
func (s *Server) Relayed() bool {
	return (s.OnRotate == "replay" || s.OnRotate == "restart") && s.Command != "" && s.RemoteProgram() != "curl"
}

// Restarts reports whether a child that has ended by itself is started again. answered says that it, or one before it, has
// served the client: a server that cannot even start is a mistake that its client should see, unless restart was written.
func (s *Server) Restarts(failed, answered bool) bool {
	switch s.Restart {
	case "always":
		return true
	case "on_failure":
		return failed
	case "":
		return failed && answered && s.Relayed()
	}
	return false
}
