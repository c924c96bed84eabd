package qemu

import (
	"os/exec"
	"runtime"
	"syscall"
)

// process is a child that dies with us, even when we are killed: the kernel sends
// it deathSignal when the thread that started it ends, so one goroutine holds
// that thread until the child has ended.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the child has been waited for
	err  error         // result of Wait; read after done
}

// startProcess starts cmd in the network namespace ns, or in ours when ns is nil.
func startProcess(ns *Netns, cmd *exec.Cmd, deathSignal syscall.Signal) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = deathSignal
	// A group of its own keeps the terminal's ctrl-c away from the child: the lab
	// takes its parts down in order.
	cmd.SysProcAttr.Setpgid = true
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		err := inThread(ns, func() error {
			err := cmd.Start()
			started <- err
			if err == nil {
				p.err = cmd.Wait()
			}
			return nil
		})
		if err != nil {
			started <- err
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// signal sends sig to the child; one that has ended is not an error.
func (p *process) signal(sig syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(sig)
	}
}

// inThread runs fn on a thread that is in ns, or anywhere when ns is nil, and
// that runs nothing else. Child processes and sockets made by fn are in ns.
func inThread(ns *Netns, fn func() error) error {
	runtime.LockOSThread()
	if ns == nil {
		defer runtime.UnlockOSThread()
		return fn()
	}
	return ns.enter(fn)
}
