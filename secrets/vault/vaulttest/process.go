package vaulttest

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// errEnded means that Vault ended instead of serving, as it does when a port is taken.
var errEnded = errors.New("the Vault process ended before it served")

// client keeps no connections, so that a killed Vault leaves none behind.
var client = &http.Client{
	Timeout:   time.Minute,
	Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true},
}

type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// startProcess starts Vault on the configuration in folder, with nothing of our own VAULT_* variables.
func startProcess(bin, folder string) (*process, error) {
	p := &process{
		cmd:  exec.Command(bin, "server", "-config="+filepath.Join(folder, "vault.json")),
		done: make(chan struct{}),
	}
	out, err := os.OpenFile(filepath.Join(folder, "vault.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = []string{"HOME=" + folder, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	p.cmd.SysProcAttr = diesWithUs()
	started := make(chan error)
	go func() {
		// Linux sends the death signal when the thread that started the child ends, so this thread stays for the child's life.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := p.cmd.Start()
		_ = out.Close()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
	}()
	return p, <-started
}

// await returns when url answers.
func (p *process) await(url string) error {
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return errEnded
		case <-limit.C:
			return fmt.Errorf("no answer from Vault at %s within a minute", url)
		case <-tick.C:
			if resp, err := client.Get(url); err == nil {
				_ = resp.Body.Close()
				return nil
			}
		}
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop ends Vault in order, and by SIGKILL where that takes longer than 20 s.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.kill()
	}
}
