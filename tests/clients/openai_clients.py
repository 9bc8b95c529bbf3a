"""openai-python and langchain-openai against a running server: python openai_clients.py http://127.0.0.1:8080"""
import sys

import openai
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

root = sys.argv[1]
client = openai.OpenAI(base_url=root + "/v1", api_key="none", max_retries=0)
model = client.models.list().data[0].id
assert client.models.retrieve(model).id == model

text = client.completions.create(model=model, prompt="The capital of France is", max_tokens=8, temperature=0, logprobs=5)
print("completion:", text.choices[0].text)
assert len(text.choices[0].logprobs.tokens) == text.usage.completion_tokens
pieces = client.completions.create(model=model, prompt="The capital of France is", max_tokens=8, temperature=0, stream=True)
assert "".join(piece.choices[0].text for piece in pieces) == text.choices[0].text

messages = [{"role": "user", "content": "Who wrote Hamlet? Answer in one sentence."}]
chat = client.chat.completions.create(
    model=model, messages=messages, max_tokens=24, temperature=0, logprobs=True, top_logprobs=3)
print("chat:", chat.choices[0].message.content)
assert len(chat.choices[0].logprobs.content[0].top_logprobs) == 3
stream = client.chat.completions.create(model=model, messages=messages, max_tokens=24, temperature=0, stream=True,
                                        stream_options={"include_usage": True})
chunks = list(stream)
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert streamed == chat.choices[0].message.content
assert chunks[-1].usage.completion_tokens == chat.usage.completion_tokens

embedding = client.embeddings.create(model=model, input=["a text", "another"])  # asks for base64 by itself
numbers = client.embeddings.create(model=model, input=["a text", "another"], encoding_format="float")
assert embedding.data[0].embedding == numbers.data[0].embedding
alone = client.embeddings.create(model=model, input="a text")
print("one text alone and in a batch differ by at most", max(
    abs(a - b) for a, b in zip(alone.data[0].embedding, embedding.data[0].embedding)))
print("embedding:", len(embedding.data), "x", len(embedding.data[0].embedding))

try:
    client.completions.create(model=model, prompt="a", n=-1)
    raise SystemExit("n=-1 was accepted")
except openai.BadRequestError as error:
    assert error.body["param"] == "n"

grounded = client.chat.completions.create(model=model, messages=messages, max_tokens=24, temperature=0,
                                          extra_body={"retrieval": {"mode": "prompt", "k": 2}})
print("with passages:", grounded.choices[0].message.content, grounded.choices[0].message.annotations)

chain = ChatOpenAI(base_url=root + "/v1", api_key="none", model=model, temperature=0, max_tokens=24)
assert chain.invoke(messages[0]["content"]).content == chat.choices[0].message.content
assert "".join(part.content for part in chain.stream(messages[0]["content"])) == chat.choices[0].message.content
vectors = OpenAIEmbeddings(base_url=root + "/v1", api_key="none", model=model, check_embedding_ctx_length=False)
assert vectors.embed_query("a text") == alone.data[0].embedding
print("all as it should be")
