// A Go program: goroutines, garbage, timers, files, a child.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var group sync.WaitGroup
	sums := make(chan int, 100)
	for i := range 100 {
		group.Go(func() {
			garbage := make([]byte, 1<<16)
			sum := sha256.Sum256(garbage)
			time.Sleep(time.Millisecond)
			sums <- i + int(sum[0])*0
		})
	}
	group.Wait()
	close(sums)
	total := 0
	for part := range sums {
		total += part
	}
	runtime.GC()

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	sorted := exec.CommandContext(ctx, "sort")
	sorted.Stdin = bytes.NewBufferString("b\na\n")
	out, err := sorted.Output()
	must(err)

	must(os.MkdirAll("tree/branch", 0o755))
	must(os.WriteFile("tree/branch/leaf", []byte("leaf"), 0o644))
	found := 0
	must(filepath.WalkDir("tree", func(string, os.DirEntry, error) error { found++; return nil }))
	source, err := os.Open("tree/branch/leaf")
	must(err)
	target, err := os.Create("copy")
	must(err)
	_, err = target.ReadFrom(source)
	must(err)
	must(os.RemoveAll("tree"))
	if total != 4950 || string(out) != "a\nb\n" || found != 3 {
		panic(fmt.Sprint(total, string(out), found))
	}
	fmt.Println("go ok")
}
