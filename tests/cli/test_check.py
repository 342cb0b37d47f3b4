"""`moec check`: every mistake at once, or what fits."""


def test_a_sound_file_says_what_fits(moec, tiny):
    ran = moec("check", tiny)

    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.startswith("tiny: fits. 1 × h100")
    assert "KV blocks" in ran.out


def test_json_has_the_memory_of_every_experiment(moec, tiny):
    found = moec("check", tiny, "--json").json

    assert found["ok"] is True
    assert found["experiments"]["tiny"]["kv_blocks"] > 0


def test_the_mistakes_of_all_stages_come_out_in_source_order(moec, tiny):
    text = tiny.read_text().replace("experiment tiny {", "experiment tiny { parallelism = p,")
    tiny.write_text(text + "parallelism p { attention { tp = 3 } }\nexperiment later { modl = olmoe, cluster = one }\n")

    ran = moec("check", tiny)

    assert ran.code == 1
    assert ran.out == ""
    assert "attention.tp = 3" in ran.err and "modl" in ran.err


def test_what_does_not_fit_is_an_error_with_the_arithmetic(moec, tiny):
    tiny.write_text(tiny.read_text().replace("models.olmoe_1b_7b", "models.deepseek_v3"))

    ran = moec("check", tiny)

    assert ran.code == 1
    assert "GB" in ran.err
