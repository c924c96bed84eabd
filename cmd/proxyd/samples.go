package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluice-lb/sluice/pkg/config"
)

// typeWords are HAProxy's words for the types of samples in its listings.
var typeWords = map[config.SampleType]string{
	config.TypeAny: "any", config.TypeSame: "same", config.TypeBool: "bool", config.TypeInt: "sint", config.TypeAddr: "addr",
	config.TypeIPv4: "ipv4", config.TypeIPv6: "ipv6", config.TypeString: "str", config.TypeBinary: "bin", config.TypeMethod: "meth",
}

// placeColumns are the columns of the listing of fetches, one for each place.
var placeColumns = []struct {
	place config.Place
	title string
}{
	{config.PlaceConnection, "frontend: tcp-request connection"},
	{config.PlaceSession, "frontend: tcp-request session"},
	{config.PlaceFrontContent, "frontend: tcp-request content"},
	{config.PlaceFrontHeader, "frontend: http-request, header"},
	{config.PlaceFrontBody, "frontend: http-request, body"},
	{config.PlaceUseBackend, "frontend: use_backend"},
	{config.PlaceBackContent, "backend: tcp-request content"},
	{config.PlaceBackHeader, "backend: http-request, header"},
	{config.PlaceBackBody, "backend: http-request, body"},
	{config.PlaceSetServer, "backend: use-server, balance, stick match"},
	{config.PlaceServer, "source of a server connection"},
	{config.PlaceBackResponse, "backend: tcp-response content"},
	{config.PlaceBackRespHead, "backend: http-response, header"},
	{config.PlaceBackRespBody, "backend: http-response, body"},
	{config.PlaceStoreResponse, "backend: stick store-response"},
	{config.PlaceFrontResponse, "frontend: tcp-response content"},
	{config.PlaceFrontRespHead, "frontend: http-response, header"},
	{config.PlaceFrontRespBody, "frontend: http-response, body"},
	{config.PlaceLog, "logs"},
	{config.PlaceCheck, "tcp-check"},
	{config.PlaceConfig, "while the configuration is read"},
	{config.PlaceCLI, "runtime API"},
}

// printFetches lists sample fetches, each behind a matrix of the places where it
// has its sample.
func printFetches(w io.Writer, states ...config.State) {
	for i, column := range placeColumns {
		bars := strings.Repeat("| ", i)
		fmt.Fprintf(w, "# %s.%s %s\n", bars, strings.Repeat("--", len(placeColumns)-i), column.title)
	}
	for _, row := range config.Fetches() {
		if !slices.Contains(states, row.State) {
			continue
		}
		marks := make([]string, len(placeColumns))
		for i, column := range placeColumns {
			marks[i] = "."
			if row.Places&column.place != 0 {
				marks[i] = "Y"
			}
		}
		fmt.Fprintf(w, "[ %s ] %s: %s\n", strings.Join(marks, " "), withArguments(row), typeWords[row.Out])
	}
}

// printConverters lists converters as HAProxy does: the type that they make stands
// before the one that they take.
func printConverters(w io.Writer, states ...config.State) {
	for _, row := range config.Converters() {
		if slices.Contains(states, row.State) {
			fmt.Fprintf(w, "%s: %s => %s\n", withArguments(row), typeWords[row.Out], typeWords[row.In])
		}
	}
}

func withArguments(row config.SampleRow) string {
	if row.Args == "" {
		return row.Name
	}
	return row.Name + "(" + row.Args + ")"
}

// printACLs lists the names of ACLs that stand for a fetch with a matching method.
func printACLs(w io.Writer, states ...config.State) {
	for _, kw := range config.ACLKeywords() {
		if !slices.Contains(states, kw.State) {
			continue
		}
		match := kw.Match
		if match == config.MatchVersion { // has no word that a line could use
			match = config.MatchInt
		}
		fmt.Fprintf(w, "%s = %s -m %s\n", kw.Name, kw.Fetch, match)
	}
}

// printPending lists what is known and not supported yet, under HAProxy's headings.
func printPending(w io.Writer) {
	printKeywords(w, config.Pending)
	fmt.Fprintln(w, "# ACLs:")
	printACLs(w, config.Pending)
	fmt.Fprintln(w, "# converters:")
	printConverters(w, config.Pending)
	fmt.Fprintln(w, "# sample fetches:")
	printFetches(w, config.Pending)
}
