//go:build !linux

package statetest

import "syscall"

// endWithTests can do nothing here: a server outlives tests that are killed.
func endWithTests() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
