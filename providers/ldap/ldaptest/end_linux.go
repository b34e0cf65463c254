package ldaptest

import "syscall"

// endWithTests makes a server end when the tests are killed.
func endWithTests() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
