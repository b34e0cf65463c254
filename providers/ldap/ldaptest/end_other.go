//go:build !linux

package ldaptest

import "syscall"

func endWithTests() *syscall.SysProcAttr { return nil }
