#include "model/weight_loader.hpp"

#include <gtest/gtest.h>

#include "support/input_file.hpp"

namespace p2p::model {
namespace {

std::string architecture(const std::string& config) {
  const test::InputFolder folder;
  folder.add("config.json", config);
  return architecture_beside(folder.add("model.safetensors", ""));
}

TEST(ArchitectureBeside, IsTheFirstThatTheConfigNames) {
  EXPECT_EQ(architecture(R"({"architectures": ["GPT2ForSequenceClassification"], "n_layer": 2})"),
            "GPT2ForSequenceClassification");
}

TEST(ArchitectureBeside, IsEmptyWhereNoneIsNamed) {
  const test::InputFolder folder;
  EXPECT_EQ(architecture_beside(folder.add("model.safetensors", "")), "");
  for (const char* config : {"", "[]", "{", "{}", R"({"architectures": null})",
                             R"({"architectures": []})", R"({"architectures": [3]})"}) {
    EXPECT_EQ(architecture(config), "") << config;
  }
}

TEST(IsEmbedding, TellsByTheNameOfTheLayer) {
  for (const char* layer :
       {"model.embed_tokens", "transformer.wte", "bert.embeddings.word_embeddings", "shared",
        "token_embedding", "tok_emb", "patch_embed.0", "Embedding"}) {
    EXPECT_TRUE(is_embedding(layer)) << layer;
  }
  for (const char* layer : {"score", "lm_head", "", "embeddings.dense", "member", "fc.0", "0"}) {
    EXPECT_FALSE(is_embedding(layer)) << layer;
  }
}

}  // namespace
}  // namespace p2p::model
