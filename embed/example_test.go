package embed_test

import (
	"context"
	"fmt"
	"log"

	"github.com/embedgate/embedgate/embed"
)

func Example() {
	ctx := context.Background()
	m, err := embed.Open(ctx, "dist/all-MiniLM-L6-v2-1.0.0")
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	vectors, err := m.Embed(ctx, []string{"How do I reset my password?", "What is the capital of Australia?"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Provider(), m.Variant(), len(vectors), m.Dim())
}
