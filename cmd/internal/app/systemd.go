package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// systemd tells the service manager how things are (sd_notify(3)). Where none asked for it, every message is dropped.
type systemd struct{ log *slog.Logger }

// ready says that the service is started, or reloaded, and how it is in words.
func (s *systemd) ready(status string) { s.send(daemon.SdNotifyReady + "\nSTATUS=" + status) }

// reloading begins a reload; ready ends it. The time is what Type=notify-reload waits for.
func (s *systemd) reloading() {
	if now, ok := monotonic(); ok {
		s.send(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Microseconds()))
	}
}

func (s *systemd) stopping() { s.send(daemon.SdNotifyStopping + "\nSTATUS=stopping") }

func (s *systemd) send(message string) {
	if _, err := daemon.SdNotify(false, message); err != nil {
		s.log.Warn("systemd was not told", "error", err)
	}
}

// watchdog reports twice in each WatchdogSec= for as long as alive returns.
func (s *systemd) watchdog(ctx context.Context, alive func()) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			alive()
			s.send(daemon.SdNotifyWatchdog)
		case <-ctx.Done():
			return
		}
	}
}
