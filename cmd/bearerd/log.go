package main

import (
	"io"
	"log/slog"
	"os"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"bearerd/config"
)

// newLog writes to w, which leads to stderr: for people on a terminal, as JSON otherwise.
func newLog(w io.Writer, c config.Log) *slog.Logger {
	log, _ := newLiveLog(w, c)
	return log
}

// newLiveLog is newLog with a level that can be changed.
func newLiveLog(w io.Writer, c config.Log) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	_ = level.UnmarshalText([]byte(c.Level)) // the loader has checked it; the zero Level is info
	return slog.New(logHandler(w, c, level, term.IsTerminal(int(os.Stderr.Fd())))), level
}

func logHandler(w io.Writer, c config.Log, level slog.Leveler, terminal bool) slog.Handler {
	if c.Format == "text" || c.Format == "auto" && terminal {
		return tint.NewTextHandler(w, &tint.Options{
			Level: level, TimeFormat: "15:04:05", NoColor: !terminal || os.Getenv("NO_COLOR") != "",
		})
	}
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: readable})
}

// readable writes a duration as 1.5s; slog's JSON has it as a count of nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
