"""Conversations written by transformers' own Jinja environment, for templates of the families that retro knows.

Writes chat_template/cases.json. Needs: pip install transformers jinja2. Run: python tests/golden/make_chat_template_golden.py
"""

import json
import pathlib

from transformers.utils.chat_template_utils import render_jinja_template

HERE = pathlib.Path(__file__).parent / "chat_template"

TEMPLATES = {
    # As the metadata of SmolLM2-135M-Instruct has it: a system message of its own when there is none.
    "smollm2": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>"
               "system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
               "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
               "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "chatml": "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + "
              "'<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "chatml, contents trimmed": "{%- for m in messages %}{{- '<|im_start|>' + m['role'] + '\\n' }}"
                                "{{- m['content'] | trim }}{{- '<|im_end|>\\n' }}{%- endfor %}"
                                "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}",
    "chatml, tools and an apostrophe":
        "{%- if tools %}{{- '<|im_start|>system\\n' }}{{- messages[0]['content'] }}{{- '<|im_end|>\\n' }}"
        "{%- elif messages[0]['role'] != 'system' %}{{- \"<|im_start|>system\\nYou're a helper.<|im_end|>\\n\" }}"
        "{%- endif %}{%- for m in messages %}{{- '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + "
        "'\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}",
    "llama3": "{% for message in messages %}{% set turn = '<|start_header_id|>' + message['role'] + "
              "'<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
              "{% set turn = bos_token + turn %}{% endif %}{{ turn }}{% endfor %}{% if add_generation_prompt %}"
              "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
}

CONVERSATIONS = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who wrote \"Dracula\"?"}],
    [{"role": "user", "content": " a\n"}, {"role": "assistant", "content": "b  "}, {"role": "user", "content": "\n\nc"}],
    [{"role": "user", "content": ""}],
    [{"role": "user", "content": "naïve ☕ <|im_end|>{{ 7 * 7 }}"}],
]


def main():
    cases = []
    for name, template in TEMPLATES.items():
        for conversation in CONVERSATIONS:
            for generation in (False, True):
                rendered, _ = render_jinja_template(
                    conversations=[conversation], chat_template=template, add_generation_prompt=generation,
                    bos_token="<|begin_of_text|>")
                cases.append({"template": name, "messages": conversation, "add_generation_prompt": generation,
                              "text": rendered[0]})
    text = json.dumps({"templates": TEMPLATES, "cases": cases}, ensure_ascii=False, indent=1)
    (HERE / "cases.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
