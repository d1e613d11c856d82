//go:build tools

// Package tools keeps the programs' module in go.mod; it is never compiled.
package tools

import (
	_ "github.com/cert-manager/cert-manager/cmd/cainjector"
	_ "github.com/cert-manager/cert-manager/cmd/controller"
)
