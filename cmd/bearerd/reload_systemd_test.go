package main_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// manager is the service manager's end of $NOTIFY_SOCKET (sd_notify(3)).
type manager struct {
	mu       sync.Mutex
	messages []string // guarded by mu
}

func startManager(t *testing.T, path string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 64<<10); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.messages = append(m.messages, string(buf[:n]))
			m.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return m
}

// after are the messages from the one at index on, without those of the watchdog, which it counts.
func (m *manager) after(index int) (messages []string, watchdog int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, text := range m.messages {
		if text == "WATCHDOG=1" {
			watchdog++
		} else {
			messages = append(messages, text)
		}
	}
	return messages[min(index, len(messages)):], watchdog
}

// want waits for messages from index on that match the patterns, and for no others.
func (m *manager) want(t *testing.T, index int, patterns ...string) {
	t.Helper()
	var got []string
	eventually(t, "the service manager is told "+strings.Join(patterns, ", "), func() bool {
		got, _ = m.after(index)
		return len(got) >= len(patterns)
	})
	for i, text := range got {
		if i >= len(patterns) || !regexp.MustCompile("(?s)^"+patterns[i]+"$").MatchString(text) {
			t.Errorf("message %d is %q, want %q", i, text, patterns)
		}
	}
}

// The service manager is told of the start, of each reload with the time at which it began, that bearerd is alive, and of the
// stop. Its status line can be read by people.
func TestNotifiesTheServiceManager(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	m := startManager(t, h.path("notify"))
	h.env = append(h.env, "NOTIFY_SOCKET="+h.path("notify"), "WATCHDOG_USEC=200000")
	h.configure(server("one", nothing))
	d := h.daemon()
	const reloading = "RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*"
	m.want(t, 0, "READY=1\nSTATUS=serving 1 server")
	h.configure(server("one", nothing), server("two", nothing))
	d.signal(syscall.SIGHUP)
	m.want(t, 1, reloading, "READY=1\nSTATUS=serving 2 servers")
	h.write("bearerd.hcl", "nonsense\n")
	d.signal(syscall.SIGHUP)
	m.want(t, 3, reloading, "READY=1\nSTATUS=serving 2 servers; [^\n]*not in force[^\n]*bearerd.hcl:1[^\n]*")
	eventually(t, "the watchdog is told five times", func() bool { _, n := m.after(0); return n >= 5 })
	d.stop()
	m.want(t, 5, "STOPPING=1\nSTATUS=stopping")
}

// The example units are such that systemd has nothing to say about them, alone and with the drop-in.
func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not there (Debian: apt-get install systemd): the example units are not verified")
	}
	for _, dropIn := range []bool{false, true} {
		dir := t.TempDir()
		unit := strings.ReplaceAll(readConfiguration(t, "../../examples/systemd/bearerd.service"), "/usr/local/bin/bearerd", program)
		path := filepath.Join(dir, "bearerd.service")
		overwrite(t, path, unit)
		if dropIn {
			if !knowsNotifyReload(t, analyze) {
				t.Log("this systemd is older than 253: notify-reload.conf is not verified")
				continue
			}
			if err := os.Mkdir(path+".d", 0o700); err != nil {
				t.Fatal(err)
			}
			overwrite(t, filepath.Join(path+".d", "notify-reload.conf"), readConfiguration(t, "../../examples/systemd/notify-reload.conf"))
		}
		cmd := exec.Command(analyze, "verify", "--man=no", path)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze verify, drop-in %t: %v\n%s", dropIn, err, out)
		}
	}
}

func knowsNotifyReload(t *testing.T, analyze string) bool {
	t.Helper()
	out, err := exec.Command(analyze, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var version int
	for _, c := range regexp.MustCompile(`[0-9]+`).FindString(string(out)) {
		version = version*10 + int(c-'0')
	}
	return version >= 253
}
