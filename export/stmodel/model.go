package stmodel

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
)

// readModel reads config.json, refused where it needs code of the model's own
// or another forward than the library's.
func readModel(d fs.FS) (object, error) {
	model, err := loadObject(d, configFile, false)
	if err != nil {
		return nil, err
	}
	settings, err := loadObject(d, settingsFile, true)
	if err != nil {
		return nil, err
	}
	for _, o := range []struct {
		name string
		object
	}{{configFile, model}, {settingsFile, settings}} {
		if _, ok := o.object["auto_map"]; ok {
			return nil, refuse(o.name, "auto_map, which runs code that came with the model", "a model that the installed transformers knows",
				"choose a model without custom code; embedgate never runs a model's own code")
		}
	}
	if isSet(model["quantization_config"]) {
		return nil, refuse(configFile, "a quantization_config", "full-precision weights", "take the model's unquantised release; embedgate makes int8 and fp16 variants itself")
	}
	if raw := model["position_embedding_type"]; isSet(raw) && string(raw) != `"absolute"` {
		return nil, refuse(configFile+" position_embedding_type", display(raw), "absolute",
			"choose another model: the pinned transformers no longer computes relative positions for BERT and would leave them out in silence")
	}
	if _, ok := text(model["model_type"]); !ok {
		return nil, refuse(configFile+" model_type", display(model["model_type"]), "a name such as bert", "take config.json from the model's own release")
	}
	return model, nil
}

// wholeModel refuses settings of the whole model that would change what a
// text's vector is.
func wholeModel(d fs.FS) error {
	if !absent(d, "adapter_config.json") {
		return refuse("adapter_config.json", "an adapter on top of a base model", "whole weights", "merge the adapter into the model (merge_and_unload) and save it again")
	}
	c, err := loadObject(d, sentenceFile, true)
	if err != nil {
		return err
	}
	if raw, ok := c["model_type"]; ok && string(raw) != `"SentenceTransformer"` {
		return refuse(sentenceFile+" model_type", display(raw), "SentenceTransformer", "choose a model that gives one dense vector a text")
	}
	if raw := c["default_prompt_name"]; !isNull(raw) {
		var prompts object
		_ = unmarshal(c["prompts"], &prompts) // none, where it is no object
		name, ok := text(raw)
		if prompt, isText := text(prompts[name]); !ok || !isText || prompt != "" {
			return refuse(sentenceFile+" default_prompt_name", display(raw)+", a prompt that goes before every text", "no default prompt", "choose a model without one; embedgate embeds the text as it is")
		}
	}
	return nil
}

// dimension is hidden_size, which DistilBERT calls dim.
func dimension(model object) (int, error) {
	key := "hidden_size"
	if _, ok := model[key]; !ok && !isNull(model["dim"]) {
		key = "dim"
	}
	n, err := model.integer(configFile, key)
	if err == nil && n > maxDimension {
		err = refuse(configFile+" "+key, fmt.Sprint(n), fmt.Sprintf("at most %d", maxDimension), fromRelease)
	}
	return n, err
}

// offsetPositions are the families whose first position is padding_idx + 1, so
// that the first padding_idx + 1 rows of the position table belong to no token
// of a text: RoBERTa's 514 rows are 512 tokens.
var offsetPositions = []string{
	"camembert", "data2vec-text", "esm", "ibert", "lilt", "longformer", "luke", "mpnet",
	"roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod",
}

// positions is how many tokens the position table has room for; 0 where the
// model has no table.
func positions(model object) (int, error) {
	raw := model["max_position_embeddings"]
	if isNull(raw) || string(raw) == "-1" {
		return 0, nil
	}
	rows, err := model.integer(configFile, "max_position_embeddings")
	if err != nil {
		return 0, err
	}
	kind, _ := text(model["model_type"])
	if !slices.Contains(offsetPositions, kind) {
		return rows, nil
	}
	pad := 1
	if n, err := strconv.Atoi(string(model["pad_token_id"])); err == nil && kind != "mpnet" { // MPNet's is 1, whatever it says
		pad = n
	}
	if pad < 0 || pad > maxNumber || rows <= pad+1 {
		return 0, refuse(configFile+" max_position_embeddings", fmt.Sprintf("%d with pad_token_id %d", rows, pad), fmt.Sprintf("more than pad_token_id + 1: the positions of %s begin there", kind), fromRelease)
	}
	return rows - pad - 1, nil
}
