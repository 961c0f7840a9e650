package stdio

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// kin is the job object that a child and all that it starts are in. They end with its last handle, so with bearerd too. While there
// is a handle of the child, too, its number can be no other's, even after cmd.Wait has closed its own.
type kin struct{ job, child windows.Handle }

func (k kin) part() {
	_ = windows.CloseHandle(k.job)
	_ = windows.CloseHandle(k.child)
}

// attributes have a child wait until it is in its job. In a group of its own it gets no Ctrl-C that is meant for bearerd.
func attributes(ownGroup bool) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{CreationFlags: windows.CREATE_SUSPENDED}
	if ownGroup {
		a.CreationFlags |= windows.CREATE_NEW_PROCESS_GROUP
	}
	return a
}

// launchProcess starts a child in a job. There is no umask here.
func launchProcess(cmd *exec.Cmd, _ int) (kin, error) {
	job, err := newJob()
	if err != nil {
		return kin{}, fmt.Errorf("a job object: %w", err)
	}
	if err := cmd.Start(); err != nil {
		_ = windows.CloseHandle(job)
		return kin{}, err
	}
	child, err := admit(job, uint32(cmd.Process.Pid))
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = windows.CloseHandle(job)
		return kin{}, fmt.Errorf("putting it into a job object: %w", err)
	}
	return kin{job, child}, nil
}

func newJob() (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, err
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{
		LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
	}}
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err != nil {
		_ = windows.CloseHandle(job)
		return 0, err
	}
	return job, nil
}

// admit puts a process that has not begun into a job, and has it begin. The caller closes the handle.
func admit(job windows.Handle, pid uint32) (process windows.Handle, err error) {
	process, err = windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, pid)
	if err != nil {
		return 0, err
	}
	if err = windows.AssignProcessToJobObject(job, process); err == nil {
		err = begin(pid)
	}
	if err != nil {
		_ = windows.CloseHandle(process)
		return 0, err
	}
	return process, nil
}

// begin has the one thread of a process run that was started suspended.
func begin(pid uint32) error {
	threads, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return err
	}
	defer func() { _ = windows.CloseHandle(threads) }()
	t := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err = windows.Thread32First(threads, &t); err == nil; err = windows.Thread32Next(threads, &t) {
		if t.OwnerProcessID != pid {
			continue
		}
		thread, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, t.ThreadID)
		if err != nil {
			return err
		}
		defer func() { _ = windows.CloseHandle(thread) }()
		_, err = windows.ResumeThread(thread)
		return err
	}
	return fmt.Errorf("its thread was not found: %w", err)
}

// send ends a child and all that it has started, for SIGKILL. SIGTERM and SIGINT become Ctrl-Break where bearerd has a console
// and the child a group of its own; the child may handle it. There are no other signals.
func send(pid int, sig syscall.Signal, group bool) {
	switch {
	case sig == syscall.SIGKILL:
		ours.terminate(pid)
	case group && (sig == syscall.SIGTERM || sig == syscall.SIGINT):
		_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(pid))
	}
}

func (f *family) terminate(pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.children[pid]; m != nil {
		_ = windows.TerminateJobObject(m.kin.job, 1)
	}
}

// accounting is JOBOBJECT_BASIC_ACCOUNTING_INFORMATION.
type accounting struct {
	times                                     [4]int64
	faults, total, active, terminatedByLimits uint32
}

// left reports whether processes of the child's job are left, and for SIGKILL ends them.
func (f *family) left(p *Process, _ remains, sig syscall.Signal) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	job := f.children[p.PID()].kin.job
	if sig == syscall.SIGKILL {
		_ = windows.TerminateJobObject(job, 1)
	}
	var a accounting
	err := windows.QueryInformationJobObject(job, windows.JobObjectBasicAccountingInformation,
		uintptr(unsafe.Pointer(&a)), uint32(unsafe.Sizeof(a)), nil)
	return err == nil && a.active > 0
}

// remains is nothing: the job knows what is in it.
type remains struct{}

func adopt() {}

func startTime(int) uint64 { return 0 }

func waitExit(cmd *exec.Cmd) { _ = cmd.Wait() }

func reap(*exec.Cmd) {}

// Reap has nothing to do here: a process needs no parent that asks for its end.
func Reap(ctx context.Context) { <-ctx.Done() }

// Runs reports whether there is a process with this id.
func Runs(pid int) bool {
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return !errors.Is(err, windows.ERROR_INVALID_PARAMETER) // else it is there, and another's
	}
	defer func() { _ = windows.CloseHandle(process) }()
	event, err := windows.WaitForSingleObject(process, 0)
	return err != nil || event != windows.WAIT_OBJECT_0
}

// Signals are those that a process can be told by, with on_rotate = "signal": there are none.
var Signals = map[string]syscall.Signal{}
