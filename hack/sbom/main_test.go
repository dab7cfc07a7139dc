package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"regexp"
	"testing"
	"time"
)

// The bill of this test names what is in it.
func TestBill(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := run(b, path, "1.2.3", time.Unix(1700000000, 0).UTC()); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two bills of one program differ")
	}
	var got bill
	if err := json.Unmarshal(first.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Components) != len(info.Deps)+1 || len(got.Dependencies[0].On) != len(got.Components) {
		t.Errorf("%d components, the program has %d modules and the standard library", len(got.Components), len(info.Deps))
	}
	if got.Metadata.Timestamp != "2023-11-14T22:13:20Z" || len(got.Metadata.Component.Hashes[0].Content) != 64 ||
		got.Metadata.Component.Version != "1.2.3" {
		t.Errorf("metadata %+v", got.Metadata)
	}
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(got.Serial) {
		t.Errorf("serial number %s", got.Serial)
	}
}

func TestNoProgram(t *testing.T) {
	if err := run(&bytes.Buffer{}, "main.go", "", time.Now()); err == nil {
		t.Error("a source file has no bill")
	}
}
