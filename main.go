// Command embedgate is a release gate for embedding models: it exports one to
// ONNX, runs it on every execution provider that a release must support, and
// publishes it only when it is proven right, proven to have run where it
// claims, and proven fast.
package main

import (
	"context"
	"os"

	"github.com/embedgate/embedgate/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
